layout { path = "out" }

locals {
  a = local.b
  b = "${local.a}!"
}

layer "a" {
  file "/config" { content = config.b.digest }
}

config "b" {
  platform = "linux/amd64"
}

manifest "c" {
  config = config.b
  layers = [layer.a]
}

layer "self" {
  file "/me" { content = layer.self.digest }
}
