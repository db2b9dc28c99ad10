layout { path = "dist/alpine-app" }

base "alpine" {
  from     = "oci-archive:vendor/alpine.tar:3.20"
  platform = "linux/amd64"
}

layer "app" {
  created_by = "alpine-app"
  file "/bin/greet" { # /bin is a symlink in the base: the file comes to lie in /usr/bin
    content = "#!/bin/sh\necho hello\n"
    mode    = "0755"
  }
  file "/tmp/warm/cache" { content = "" } # /tmp keeps its mode 1777
  file "/home/app/.profile" {
    content = "umask 027\n"
    uid     = 1000
    gid     = 1000
  }
}

config "app" {
  env        = { PATH = "/opt/bin:${base.alpine.config.env.PATH}" }
  entrypoint = ["/bin/greet"] # drops the base's cmd
  user       = "1000:1000"
  unset      = ["env.DEBUG"]
}

manifest "app" {
  base        = base.alpine
  config      = config.app
  layers      = [layer.app]
  annotations = { "org.opencontainers.image.title" = "alpine-app" }
  tags        = ["latest"]
}

output "base" { value = base.alpine.digest }
