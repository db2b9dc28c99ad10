# A JSON document as an artifact that refers to an image: registries and tools
# find it as a referrer of that image.
layout { path = "dist/artifact" }

layer "tool" {
  file "/usr/share/tool/data.txt" { content = "forty-two\n" }
}

config "tool" {
  platform = "linux/amd64"
  cmd      = ["/usr/share/tool/data.txt"]
}

manifest "tool" {
  config = config.tool
  layers = [layer.tool]
  tags   = ["tool"]
}

layer "sbom" {
  blob        = "sbom.spdx.json"
  media_type  = "application/spdx+json"
  annotations = { "org.opencontainers.image.title" = "sbom.spdx.json" }
}

manifest "sbom" {
  artifact_type = "application/spdx+json"
  subject       = manifest.tool
  layers        = [layer.sbom]
}

output "sbom" { value = manifest.sbom.digest }
