layout { path = "out" }

config "none" {}

config "both" {
  platform = "linux/amd64"
  os       = "linux"
}

config "typo" { platform = "linux/x86_64" }
config "case" { platform = "Linux/amd64" }
config "short" { platform = "amd64" }

config "values" {
  platform      = "linux/amd64"
  exposed_ports = ["http", "70000", "80/icmp", "0"]
  env           = ["A=1", "B", "A=2"]
  user          = "a b"
  working_dir   = "relative"
  volumes       = ["data"]
  stop_signal   = "TERM"
  created       = "now"
  entrypoint    = "/app"
  labels        = { "" = "x" }
  extra         = { OS = "x" }
  config_extra  = { Healthcheck = {}, user = "x" }
  cmd           = ["a", null]
}

config "foreign" {
  media_type = "application/json"
  user       = "1"
}

config "content" {
  platform = "linux/amd64"
  content  = "{}"
}

manifest "all" {
  artifact_type = "a/b"
  layers        = []
  config        = config.values
}
