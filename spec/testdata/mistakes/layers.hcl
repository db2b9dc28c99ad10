layout { path = "out" }

layer "empty" {}

layer "two" {
  archive = "a.tar"
  file "/a" { content = "" }
}

layer "blob" {
  blob        = "a.bin"
  compression = "gzip"
}

layer "outside" {
  archive = "../a.tar"
}

layer "absolute" {
  archive = "/etc/passwd"
}

layer "compression" {
  compression = "gzpi"
  file "/a" { content = "" }
}

layer "level" {
  compression {
    algorithm = "gzip"
    level     = 11
  }
  file "/a" { content = "" }
}

layer "tree" {
  file "a" { content = "" }
  file "/../a" { content = "" }
  file "/" { content = "" }
  file "/.wh.a" { content = "" }
  file "/both" {
    content = ""
    source  = "x"
  }
  file "/none" {}
  file "/mode" {
    content = ""
    mode    = 0755
  }
  file "/octal" {
    content = ""
    mode    = "09"
  }
  file "/big" {
    content = ""
    mode    = "17777"
  }
  file "/owner" {
    content = ""
    uid     = -1
    gid     = 4294967295
  }
  file "/time" {
    content = ""
    mtime   = "yesterday"
  }
  file "/xattr" {
    content      = ""
    xattrs       = { foo = "bar" }
    capabilities = "!"
  }
  copy { to = "/x" }
  copy {
    from     = "."
    include  = ["["]
    exclude  = ["../x"]
    metadata = "keep"
  }
  symlink "/s" {}
  hardlink "/h" { target = "relative" }
  whiteout "/" {}
}

layer "type" {
  media_type = "tar\r\n"
  file "/a" { content = "" }
}

layer "mismatch" {
  media_type = "application/vnd.oci.image.layer.v1.tar+zstd"
  file "/a" { content = "" }
}

layer "history" {
  created = "2026"
  urls    = ["relative"]
  file "/a" { content = "" }
}
