// Command dbshell is the service of that name.
package main

import (
	"anywhere.local/demo/dbshell"
	"anywhere.local/demo/service"
)

func main() { service.Main("dbshell", dbshell.New(service.Self("dbshell"), service.URL("database"))) }
