layout { path = "dist/multi-arch-base" }

locals { platforms = { amd64 = "linux/amd64", arm64 = "linux/arm64" } }

base "image" {
  for_each = local.platforms
  from     = "oci:vendor/base:1"
  platform = each.value
}

layer "app" { # one for all platforms: it needs nothing of them
  file "/usr/share/app/index.html" { content = "<h1>hello</h1>\n" }
  file "/tmp/app/lock" { content = "" }
}

config "app" {
  labels = { base = base.image["amd64"].annotations["org.opencontainers.image.version"] }
  cmd    = ["serve", "/usr/share/app"]
}

manifest "app" {
  for_each = base.image
  base     = each.value
  config   = config.app
  layers   = [layer.app]
}

index "app" {
  manifests   = values(manifest.app)
  annotations = { "org.opencontainers.image.base.digest" = base.image["amd64"].index_digest }
  tags        = ["latest", "on-${base.image["amd64"].annotations["org.opencontainers.image.version"]}"]
}
