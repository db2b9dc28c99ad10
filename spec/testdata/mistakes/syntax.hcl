layout { path = "out"

layer "a" {
  file "/a" { content = "${" }
}
