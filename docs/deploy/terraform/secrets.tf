resource "random_password" "secret_key" {
  length  = 64
  special = false
}

resource "random_password" "jwt_signing_key" {
  length  = 64
  special = false
}

resource "random_password" "administrator" {
  length  = 24
  special = false
}

locals {
  database = "${aws_db_instance.main.endpoint}/${aws_db_instance.main.db_name}?sslmode=require"
  redis    = aws_elasticache_replication_group.main.primary_endpoint_address

  secrets = {
    DATABASE_URL              = "postgresql://catchment:${random_password.database.result}@${local.database}"
    READER_DATABASE_URL       = "postgresql://catchment_reader:${random_password.reader.result}@${local.database}"
    SECRET_KEY                = random_password.secret_key.result
    JWT_SIGNING_KEY           = random_password.jwt_signing_key.result
    DJANGO_SUPERUSER_PASSWORD = random_password.administrator.result
  }

  settings = merge({
    REDIS_URL                 = "rediss://${local.redis}:6379/0"
    ALLOWED_HOSTS             = var.host_name
    PUBLIC_URL                = "https://${var.host_name}"
    ANONYMOUS_ACCESS          = ""
    DEBUG                     = "0"
    NUM_PROXIES               = "1"
    DROPZONE_BUCKET           = aws_s3_bucket.payloads.bucket
    DROPZONE_BUCKET_REGION    = var.region
    DJANGO_SUPERUSER_USERNAME = "admin"
  }, var.settings)
}

resource "aws_ssm_parameter" "secret" {
  for_each = toset(keys(local.secrets))
  name     = "/${var.name}/${each.key}"
  type     = "SecureString"
  value    = local.secrets[each.key]
}
