# A static Go server that runs as nobody in particular. Build it, then apply:
#   go generate . && layform apply
layout { path = "dist/go-service" }

locals { platforms = { amd64 = "linux/amd64", arm64 = "linux/arm64" } }

# Certificates and users change seldom, so they are a layer of their own.
layer "base" {
  created_by = "certificates and users"
  file "/etc/ssl/certs/ca-certificates.crt" { source = "etc/ca-certificates.crt" }
  file "/etc/passwd" { source = "etc/passwd" }
  file "/etc/group" { source = "etc/group" }
  directory "/tmp" { mode = "1777" }
}

layer "server" {
  for_each   = local.platforms
  created_by = "server for ${each.value}"
  copy {
    from = "bin/${each.key}/go-service"
    to   = "/usr/local/bin/server"
  }
}

config "server" {
  for_each      = local.platforms
  platform      = each.value
  entrypoint    = ["/usr/local/bin/server"]
  user          = "65532:65532"
  env           = { LISTEN = ":8080" }
  exposed_ports = ["8080/tcp"]
  working_dir   = "/"
  stop_signal   = "SIGTERM"
}

manifest "server" {
  for_each = local.platforms
  config   = config.server[each.key]
  layers   = [layer.base, layer.server[each.key]]
  tags     = ["latest-${each.key}"] # for tools that do not read indexes
}

index "server" {
  manifests = values(manifest.server)
  tags      = ["latest"]
}

output "digests" { value = { for key, m in manifest.server : key => m.digest } }
