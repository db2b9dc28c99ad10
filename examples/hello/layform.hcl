# A small image for two platforms. It needs nothing but this directory:
#   layform apply
layout { path = "dist/hello" }

variable "version" {
  type        = string
  default     = "v1.0.0"
  description = "The version that the image is tagged with."
  validation {
    condition     = can(regex("^(dev|v[0-9])", var.version))
    error_message = "The version is dev, or starts with v and a digit."
  }
}

locals {
  platforms = {
    amd64 = "linux/amd64"
    arm64 = "linux/arm64"
  }
}

# What both platforms share is one layer, and so one blob.
layer "files" {
  created_by = "greeting and users"
  copy {
    from = "greeting"
    to   = "/etc/greeting"
  }
  file "/etc/passwd" { content = "greeter:x:1000:1000::/:/sbin/nologin\n" }
  file "/etc/version" { content = "${var.version}\n" }
}

layer "greet" {
  for_each   = local.platforms
  created_by = "greet for ${each.value}"
  copy {
    from = "greet/${each.key}"
    to   = "/bin/greet"
  }
}

config "hello" {
  for_each   = local.platforms
  platform   = each.value
  entrypoint = ["/bin/greet"]
  user       = "1000:1000"
  labels     = { "com.example.version" = var.version }
}

manifest "hello" {
  for_each    = local.platforms
  config      = config.hello[each.key]
  layers      = [layer.files, layer.greet[each.key]]
  annotations = { "org.opencontainers.image.version" = var.version }
  tags        = ["latest-${each.key}"] # for tools that do not read indexes
}

index "hello" {
  manifests   = values(manifest.hello)
  annotations = { "org.opencontainers.image.title" = "hello" }
  tags        = ["latest", var.version]
}

output "digest" { value = index.hello.digest }
