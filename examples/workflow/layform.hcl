layout { path = "dist/image" }

layer "base" {
  archive     = "rootfs.tar" # a plain tar: compressed on the way in
  annotations = { "com.example.layer.role" = "base" }
}

layer "patches" {
  archive     = "patches.tar.gz" # used byte for byte
  annotations = { "com.example.layer.role" = "patches" }
}

config "image" {
  platform = "linux/arm64"
  labels   = { "org.opencontainers.image.vendor" = "Acme" }
}

manifest "image" {
  config      = config.image
  layers      = [layer.base, layer.patches]
  annotations = { "org.opencontainers.image.version" = "1.2.0" }
  tags        = ["latest"]
}
