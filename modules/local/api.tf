locals {
  api_machine = one([for name, machine in var.machines : name if machine.api])

  # The port of this computer that is forwarded to the first master's API server.
  api_port = try(anywhere_machine.machine[local.api_machine].forward_ports["api"], null)
}
