# An image to put into a registry that lasts as long as a job.
layout { path = "dist/app" }

layer "app" {
  file "/app/version" { content = "1.0.0\n" }
}

config "app" { platform = "linux/amd64" }

manifest "app" {
  config = config.app
  layers = [layer.app]
  tags   = ["latest", "v1.0.0"]
}
