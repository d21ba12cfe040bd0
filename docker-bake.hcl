function "tagged" {
  params = [name]
  result = ["${name}", equal(name, "dev") ? "" : "x"]
}
target "app" { tags = tagged("a") }
