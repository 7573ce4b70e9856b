"""A Terraform provider's plumbing: plugin protocol 6, schemas and the go-plugin server. It knows no resource."""
