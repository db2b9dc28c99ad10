layout { path = "out" }

variable "secret" {
  default   = "x"
  sensitive = true
}

layer "list" {
  for_each = ["a", "b"]
  file "/a" { content = each.value }
}

layer "unknown" {
  for_each = toset([layer.base.digest])
  file "/a" { content = each.value }
}

layer "base" {
  file "/a" { content = "" }
}

layer "sensitive" {
  for_each = toset([var.secret])
  file "/a" { content = each.value }
}

layer "null" {
  for_each = null
  file "/a" { content = "" }
}

layer "twice" {
  for_each = toset(["a", "b"])
  file "/a" { content = upper(each.value.name) }
}

manifest "m" {
  artifact_type = "a/b"
  layers        = [layer.base, layer.twice["c"]]
  annotations   = { digest = layer.twice.digest }
}
