resource "random_password" "database" {
  length  = 40
  special = false # it stands in a URL
}

resource "random_password" "reader" {
  length  = 40
  special = false
}

resource "aws_db_subnet_group" "main" {
  name       = var.name
  subnet_ids = aws_subnet.private[*].id
}

resource "aws_db_parameter_group" "main" {
  name   = "${var.name}-postgres15"
  family = "postgres15"

  # A query over all imports locks the partition of each, with its indexes.
  parameter {
    name         = "max_locks_per_transaction"
    value        = "2048"
    apply_method = "pending-reboot"
  }

  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }
}

# The owner may make extensions and roles there, which migrate and make_reader do.
resource "aws_db_instance" "main" {
  identifier                   = var.name
  engine                       = "postgres"
  engine_version               = "15"
  instance_class               = var.database_class
  allocated_storage            = var.database_gb
  max_allocated_storage        = var.database_gb * 10
  storage_type                 = "gp3"
  storage_encrypted            = true
  db_name                      = "catchment"
  username                     = "catchment"
  password                     = random_password.database.result
  parameter_group_name         = aws_db_parameter_group.main.name
  db_subnet_group_name         = aws_db_subnet_group.main.name
  vpc_security_group_ids       = [aws_security_group.stores.id]
  backup_retention_period      = 7
  performance_insights_enabled = true
  deletion_protection          = true
  skip_final_snapshot          = false
  final_snapshot_identifier    = "${var.name}-final"
}

resource "aws_elasticache_subnet_group" "main" {
  name       = var.name
  subnet_ids = aws_subnet.private[*].id
}

resource "aws_elasticache_parameter_group" "main" {
  name   = "${var.name}-redis7"
  family = "redis7"

  parameter {
    name  = "maxmemory-policy"
    value = "noeviction"
  }
}

# It only carries kicks and counts limits: one small node without copies is enough.
resource "aws_elasticache_replication_group" "main" {
  replication_group_id       = var.name
  description                = "Queues and limits of ${var.name}"
  engine                     = "redis"
  engine_version             = "7.1"
  node_type                  = "cache.t4g.micro"
  num_cache_clusters         = 1
  parameter_group_name       = aws_elasticache_parameter_group.main.name
  subnet_group_name          = aws_elasticache_subnet_group.main.name
  security_group_ids         = [aws_security_group.stores.id]
  transit_encryption_enabled = true
  at_rest_encryption_enabled = true
}

resource "aws_s3_bucket" "payloads" {
  bucket_prefix = "${var.name}-payloads-"
}

resource "aws_s3_bucket_public_access_block" "payloads" {
  bucket                  = aws_s3_bucket.payloads.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}
