layout { path = "out" }

variable "missing" {
  type = string
}

variable "wrong" {
  type    = list(string)
  default = "x"
}

variable "bad_type" {
  type = lst(string)
}

variable "rule" {
  default = 5
  validation {
    condition     = var.rule < 5
    error_message = "rule must be below 5, not ${var.rule}."
  }
}

variable "refers" {
  default = local.x
}

variable "object" {
  type    = object({ a = string, b = optional(number, 3) })
  default = { b = 1 }
}
