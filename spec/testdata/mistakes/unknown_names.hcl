layout { path = "out" }

variable "version" { default = "1" }

locals {
  name = var.versoin
  tag  = local.nam
}

layer "app" {
  file "/a" { content = local.name }
  file "/b" { content = uper(local.name) }
  file "/c" { content = timestamp() }
  file "/d" { content = each.key }
  file "/e" { content = latest }
}

config "app" {
  platform = "linux/amd64"
}

manifest "app" {
  config = config.ap
  layers = [layer.app, layer.other, "layer.app"]
  tags   = [layer.app.digst]
}
