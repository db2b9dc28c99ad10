# An image of two platforms with what refers to it: an SBOM of the index, and a note on one of its images.
layout {
  path    = "dist/app"
  archive = "dist/app.tar" # the same layout as one file
}

locals { platforms = { amd64 = "linux/amd64", arm64 = "linux/arm64/v8" } }

layer "app" {
  for_each = local.platforms
  file "/etc/app" { content = "for ${each.value}\n" }
}

config "app" {
  for_each = local.platforms
  platform = each.value
}

manifest "app" {
  for_each = local.platforms
  config   = config.app[each.key]
  layers   = [layer.app[each.key]]
}

index "app" {
  manifests = values(manifest.app)
  tags      = ["v1"]
}

layer "sbom" {
  blob       = "sbom.spdx.json"
  media_type = "application/spdx+json"
}

manifest "sbom" {
  artifact_type = "application/spdx+json"
  subject       = index.app
  layers        = [layer.sbom]
}

layer "note" {
  blob        = "tested.txt"
  media_type  = "text/plain"
  annotations = { "org.opencontainers.image.title" = "tested.txt" }
}

manifest "note" {
  artifact_type = "application/vnd.example.note"
  subject       = manifest.app["amd64"]
  layers        = [layer.note]
}

output "digest" { value = index.app.digest }
