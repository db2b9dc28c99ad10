# A stand-in for the real base, small enough for a repository: the links of a merged
# /usr, a sticky /tmp and a user's home. In life it is docker://docker.io/library/alpine:3.20.
layout { path = "alpine" }

layer "rootfs" {
  created_by = "a small root file system"
  directory "/usr/bin" {}
  directory "/usr/sbin" {}
  directory "/usr/lib" {}
  symlink "/bin" { target = "usr/bin" }
  symlink "/sbin" { target = "usr/sbin" }
  symlink "/lib" { target = "usr/lib" }
  directory "/tmp" { mode = "1777" }
  directory "/root" { mode = "0700" }
  directory "/home/app" {
    mode = "0750"
    uid  = 1000
    gid  = 1000
  }
  file "/etc/alpine-release" { content = "3.20.0\n" }
}

config "alpine" {
  platform = "linux/amd64"
  env      = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBUG=1"]
  cmd      = ["/bin/sh"]
}

manifest "alpine" {
  config = config.alpine
  layers = [layer.rootfs]
  tags   = ["3.20"]
}
