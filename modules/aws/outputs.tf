output "cluster" {
  description = "Whose state this is."
  value       = var.cluster
}

output "machines" {
  description = "Etcd machines and masters: the address in the VPC, the role, how ssh reaches it, how to see its console."
  value = {
    for name, machine in aws_instance.machine : name => {
      address = machine.private_ip
      role    = var.machines[name].role
      ssh = !local.ssh ? null : join(" ", [
        "ssh -o 'ProxyCommand=aws ec2-instance-connect open-tunnel --instance-id %h --region ${var.settings.region}'",
        "-o StrictHostKeyChecking=accept-new admin@${machine.id}",
      ])
      console = join(" ", [
        "aws ec2 get-console-output --region ${var.settings.region}",
        "--instance-id ${machine.id} --latest --output text",
      ])
    }
  }
}

output "api" {
  description = "Where the API server is: the load balancer, or else the first master inside the VPC."
  value = (
    var.settings.load_balancer
    ? "https://${aws_lb.api[0].dns_name}:6443"
    : "https://${aws_instance.machine[local.api_machine].private_ip}:6443"
  )
}

output "release" {
  description = "The release that machines were last given, which the next plan is compared with."
  sensitive   = true # it is no secret, only too long to show
  value       = one([for key, document in var.documents : file("${path.module}/${document.file}") if key == "release.json"])
  depends_on  = [aws_s3_object.document]
}

output "applied" {
  description = "What was applied of the definition and its lock, which the next plan is compared with."
  sensitive   = true # it is no secret, only too long to show

  # Unknown, so not recorded, until etcd has its disks: from then on there is something to lose. Terraform records a known
  # value also where an apply fails, whatever it depends on.
  value = alltrue([for disk in aws_ebs_volume.etcd : disk.id != ""]) ? file("${path.module}/applied.json") : ""
}
