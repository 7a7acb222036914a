output "address" {
  description = "Where the host name must point, as a CNAME or an alias."
  value       = aws_lb.main.dns_name
}

output "migrate" {
  description = "To be run after the first apply, and with each new image before its services (docs/deployment.md)."
  value = join(" ", [
    "aws ecs run-task --launch-type FARGATE",
    "--region ${var.region} --cluster ${aws_ecs_cluster.main.name}",
    "--task-definition ${aws_ecs_task_definition.role["migrate"].family}",
    "--network-configuration 'awsvpcConfiguration={assignPublicIp=ENABLED,subnets=[${join(",", aws_subnet.public[*].id)}],securityGroups=[${aws_security_group.tasks.id}]}'",
  ])
}

output "administrator_password" {
  value     = random_password.administrator.result
  sensitive = true
}
