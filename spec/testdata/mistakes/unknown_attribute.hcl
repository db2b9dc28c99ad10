layout { path = "out" }

layer "app" {
  compresion = "zstd"
  file "/a" { contents = "x" }
}

manifst "app" {}

publish "alpine" {}
