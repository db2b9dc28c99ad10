layform {
  name = "two words"
}

layout {
  path = each.key
}

variable "2x" {}

variable "rule" {
  default = 1
  validation {
    condition     = var.rule == layer.x.digest
    error_message = "no"
  }
  validation {
    condition     = "maybe ${var.rule}"
    error_message = "no"
  }
}

locals {
  x    = 1
  bare = layer
}

layer "base" {
  file "/a" { content = "" }
}

layer "unknown" {
  compression = layer.base.media_type == "x" ? "gzip" : layer.base.digest
  file "/a" {
    content = ""
    mode    = layer.base.digest
    uid     = layer.base.size
  }
  symlink "/s" { target = layer.base.digest }
  copy {
    from    = layer.base.digest
    include = [layer.base.digest]
  }
}

layer "unknown_archive" { archive = "${layer.base.digest}.tar" }

layer "twice" {
  compression {}
  compression { algorithm = "gzip" }
  file "/a" { content = "" }
}

layer "both" {
  compression = "gzip"
  compression { algorithm = "gzip" }
  file "/a" { content = "" }
}

layer "member" {
  compression = { algoritm = "gzip" }
  file "/a" { content = "" }
}

layer "no_level" {
  compression = { algorithm = "none", level = 3 }
  file "/a" { content = "" }
}

config "env" {
  platform = "linux/amd64/?"
  env      = { "" = "x", "A=B" = "y" }
  cmd      = ["a\u0000b"]
}

manifest "other_block" {
  artifact_type = "a/b"
  layers        = [config.base, layer]
  subject       = index.nothing
}

index "none" {}

output "no_value" {}

output "types" {
  value       = 1
  sensitive   = "perhaps"
  description = [1]
}
