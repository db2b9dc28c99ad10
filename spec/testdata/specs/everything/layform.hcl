# Every attribute of every block, once.
layform {
  name             = "everything"
  required_version = "~> 1.0"
}

layout { path = "../out/${local.name}" }

variable "secret" {
  type        = string
  default     = "hunter2"
  sensitive   = true
  description = "Never shown."
}

variable "options" {
  type = object({
    debug = optional(bool, false)
    names = optional(list(string), ["one", "two"])
  })
  default  = {}
  nullable = false
}

locals {
  name  = "all"
  files = { "/etc/a" = "A", "/etc/b" = "B" }
}

layer "tree" {
  compression {
    algorithm = "zstd"
    level     = 19
  }
  created_by  = "made by hand"
  author      = "somebody"
  comment     = "a comment"
  created     = "2026-01-31T13:00:00.5+01:00"
  annotations = { "com.example.number" = 5, "com.example.absent" = null }
  urls        = ["https://example.com/layer"]
  media_type  = "application/vnd.oci.image.layer.v1.tar+zstd"

  copy {
    from         = "./src/"
    to           = "/srv/"
    include      = ["**/*.go", "{a,b}"]
    exclude      = ["./*_test.go"]
    mode         = "0644"
    dir_mode     = "2755"
    uid          = 1
    gid          = "2"
    mtime        = "2026-01-31T12:00:00Z"
    metadata     = "preserve"
    xattrs       = { "user.origin" = "spec" }
    capabilities = "cap_net_bind_service,net_raw=+ep"
  }
  copy { from = "." }
  file "/etc/motd" {
    content = "secret: ${var.secret}\n"
    mode    = "04755"
    mtime   = 1700000000
  }
  file "//usr/./bin/tool" { source = "bin/tool" }
  dynamic "file" {
    for_each = local.files
    labels   = [file.key]
    content { content = "${file.value} of ${length(local.files)}" }
  }
  dynamic "directory" {
    for_each = var.options.names
    iterator = item
    labels   = ["/var/${item.value}"]
    content { mode = "0700" }
  }
  directory "/" { mode = "0755" }
  symlink "/link" { target = "../anywhere" }
  hardlink "/etc/hard" { target = "/etc/motd" }
  whiteout "/etc/gone" {}
  whiteout "/" { opaque = true }
  whiteout "/srv" {
    opaque = true
    expand = true
  }
}

layer "plain" {
  compression = "none"
  file "/plain" { content = "" }
}

layer "archive" {
  archive    = "dir/../root.tar.gz"
  media_type = "application/vnd.oci.image.layer.v1.tar+gzip"
}

layer "unused" {
  file "/unused" { content = "" }
}

config "image" {
  os            = "windows"
  architecture  = "amd64"
  variant       = "v2"
  os_version    = "10.0.14393.1066"
  os_features   = ["win32k"]
  created       = "2026-01-31T12:00:00Z"
  author        = "somebody"
  user          = "ContainerUser"
  exposed_ports = ["8080", "53/udp"]
  env           = ["PATH=C:\\bin", "TOKEN=${var.secret}"]
  entrypoint    = ["app.exe"]
  cmd           = ["--listen", 8080]
  volumes       = ["C:\\data"]
  working_dir   = "C:\\work"
  labels        = { debug = var.options.debug, secret = var.secret }
  stop_signal   = "SIGRTMIN+3"
  args_escaped  = true
  annotations   = { "com.example.config" = "yes" }
  extra         = { "moby.buildkit.x" = [1, { a = null }] }
  config_extra  = { Shell = ["cmd", "/S", "/C"] }
  healthcheck   = { test = "true", interval = "1s", retries = 2 }
  memory        = 1048576
  memory_swap   = -1
  cpu_shares    = 2
  history = [
    { created_by = "one", created = "2026-01-31", author = "somebody" },
    { created_by = "two" },
    { comment = "three", empty_layer = true },
    { created_by = "four" },
    { created_by = "five" },
  ]
}

config "other" {
  media_type = "application/vnd.example.config+json"
  content    = jsonencode({ a = 1 })
}

config "bytes" {
  media_type     = "application/vnd.example.config"
  content_base64 = "AAH/"
}

manifest "image" {
  config                 = config.image
  embed_config           = true
  media_types            = "oci"
  layers                 = [layer.tree, layer.plain, layer.archive, layer.plain]
  annotations            = { "com.example.level" = "manifest" }
  descriptor_annotations = { "com.example.level" = "descriptor" }
  platform               = "windows/amd64"
  os_version             = "10.0.14393.1066"
  os_features            = ["win32k"]
  tags                   = ["v1", "team/app@2"]
  extra                  = { "x-extra" = true }
}

manifest "artifact" {
  artifact_type = "application/vnd.example.thing"
  config        = config.other
  subject       = manifest.image
}

manifest "bytes" {
  artifact_type = "application/vnd.example.thing"
  config        = config.bytes
}

index "all" {
  embed_manifests        = true
  media_types            = "oci"
  manifests              = [manifest.image, index.inner]
  artifact_type          = "application/vnd.example.list"
  subject                = index.inner
  annotations            = { "com.example.level" = "index" }
  descriptor_annotations = { "com.example.level" = "descriptor" }
  tags                   = ["latest"]
  extra                  = { "x-extra" = "1" }
}

index "inner" { manifests = [] }

output "all" {
  value       = { digest = index.all.digest, address = index.all.address, type = layer.plain.media_type }
  description = "All that there is to know."
}

output "names" { value = [for m in [manifest.image, manifest.artifact] : m.address] }

output "secret" {
  value     = var.secret
  sensitive = true
}
