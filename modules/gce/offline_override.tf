# Beside the module only where a plan asks nobody: the provider needs credentials that nobody looks at.
provider "google" {
  access_token = "offline"
}
