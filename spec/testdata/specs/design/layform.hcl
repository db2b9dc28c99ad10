layform { required_version = ">= 0.1" }
layout { path = "dist/hello" }
variable "version" {
  type    = string
  default = "dev"
  validation {
    condition     = can(regex("^(dev|v[0-9])", var.version))
    error_message = "version is dev or starts with v and a digit."
  }
}
locals { platforms = { amd64 = "linux/amd64", arm64 = "linux/arm64/v8" } }
layer "rootfs" {
  archive = "rootfs.tar"
}
layer "app" {
  for_each    = local.platforms
  compression = "zstd"
  created_by  = "app for ${each.value}"
  copy {
    from    = "bin/${each.key}"
    to      = "/usr/local/bin"
    include = ["server"]
    mode    = "0755"
  }
  file "/etc/app.conf" { content = templatefile("app.conf.tftpl", { version = var.version }) }
  directory "/var/lib/app" {
    mode = "0750"
    uid  = 65532
  }
  symlink "/app" { target = "/usr/local/bin/server" }
  whiteout "/usr/share/doc" {}
  annotations = { "com.example.role" = "app" }
}
layer "sbom" {
  blob       = "model.onnx"
  media_type = "application/vnd.example.model"
}
config "app" {
  for_each     = local.platforms
  platform     = each.value
  entrypoint   = ["/app"]
  env          = { LOG = "info" }
  user         = "65532:65532"
  exposed_ports = ["8080/tcp"]
  labels       = { version = var.version }
}
manifest "app" {
  for_each    = local.platforms
  config      = config.app[each.key]
  layers      = [layer.rootfs, layer.app[each.key]]
  annotations = { "org.opencontainers.image.version" = var.version }
}
index "app" {
  manifests = values(manifest.app)
  tags      = ["latest", var.version]
}
manifest "sbom" {
  artifact_type = "application/spdx+json"
  subject       = index.app
  layers        = [layer.sbom]
}
output "digest" { value = index.app.digest }
