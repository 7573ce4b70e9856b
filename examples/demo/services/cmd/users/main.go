// Command users is the service of that name.
package main

import (
	"anywhere.local/demo/service"
	"anywhere.local/demo/users"
)

func main() { service.Main("users", users.New(service.Self("users"), service.URL("dbshell"))) }
