variable "region" {
  type        = string
  description = "AWS region."
  default     = "eu-central-1"
}

variable "name" {
  type        = string
  description = "Prefix of every name."
  default     = "catchment"
}

variable "image" {
  type        = string
  description = "The image with its tag or digest, in ECR or a public registry."
}

variable "host_name" {
  type        = string
  description = "Host name people use, such as data.example.org. Point it at the output `address`."
}

variable "certificate_arn" {
  type        = string
  description = "ACM certificate for host_name, in the same region."
}

variable "web_count" {
  type        = number
  description = "How many web tasks run."
  default     = 2
}

variable "worker_count" {
  type        = number
  description = "How many worker tasks run; each works on one import and on payloads."
  default     = 2
}

variable "database_class" {
  type        = string
  description = "RDS instance class."
  default     = "db.t4g.medium"
}

variable "database_gb" {
  type        = number
  description = "Storage of the database at first; it grows by itself to ten times that."
  default     = 50
}

variable "settings" {
  type        = map(string)
  description = "Further variables of the README's table, such as RATE_LIMITS."
  default     = {}
}
