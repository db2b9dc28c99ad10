layout { path = "out" }
layout { path = "other" }

variable "v" { default = 1 }
variable "v" { default = 2 }

locals { x = 1 }
locals { x = 2 }

layer "a" {
  file "/a" { content = "" }
}
layer "a" {
  file "/a" { content = "" }
}

manifest "one" {
  artifact_type = "a/b"
  layers        = [layer.a]
  tags          = ["latest", "1"]
}
manifest "two" {
  artifact_type = "a/b"
  layers        = [layer.a]
  tags          = ["latest"]
}
index "i" {
  manifests = [manifest.one, manifest.one]
}

output "o" { value = 1 }
output "o" { value = 2 }

locals {
  members = { a = 1, b = { c = 1, "c" = 2 }, (upper("a")) = 2, A = 3, a = 4 }
}
