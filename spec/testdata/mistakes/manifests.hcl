layout { path = "out" }

layer "a" {
  file "/a" { content = "" }
}

layer "model" {
  blob       = "model.bin"
  media_type = "application/x-model"
}

config "a" {
  for_each = toset(["amd64", "arm64"])
  platform = "linux/${each.key}"
}

manifest "no_type" { layers = [layer.a] }

manifest "no_layers" { config = config.a["amd64"] }

manifest "model" {
  config = config.a["amd64"]
  layers = [layer.model]
}

manifest "kinds" {
  config  = layer.a
  layers  = layer.a
  subject = layer.a
}

manifest "keyed" {
  config = config.a
  layers = [layer.a["x"]]
}

manifest "forged" {
  artifact_type = "a/b"
  layers        = [{ address = "layer.a" }]
}

manifest "tags" {
  artifact_type          = "a/b"
  tags                   = ["a:b", "../x", "", "a\nb", "é"]
  descriptor_annotations = { "org.opencontainers.image.ref.name" = "x" }
}

index "a" {
  manifests = config.a
}

index "digest" {
  manifests   = []
  annotations = { digest = config.a.digest, other = config.a["arm64"].digest }
}
