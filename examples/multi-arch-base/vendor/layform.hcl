# A stand-in for a base of several platforms.
layout { path = "base" }

locals { platforms = { amd64 = "linux/amd64", arm64 = "linux/arm64/v8" } }

layer "rootfs" {
  for_each = local.platforms
  directory "/tmp" { mode = "1777" }
  file "/etc/platform" { content = "${each.value}\n" }
}

config "base" {
  for_each = local.platforms
  platform = each.value
  env      = { PATH = "/usr/bin:/bin" }
  labels   = { vendor = "example" }
}

manifest "base" {
  for_each    = local.platforms
  config      = config.base[each.key]
  layers      = [layer.rootfs[each.key]]
  annotations = { "org.opencontainers.image.version" = "1.4.2" }
}

index "base" {
  manifests = values(manifest.base)
  tags      = ["1"]
}
