layout { path = "out" }

layer "deep" {
  file "/${"x"}" { content = "" }
}
