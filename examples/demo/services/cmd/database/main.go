// Command database is the service of that name.
package main

import (
	"cmp"
	"os"

	"anywhere.local/demo/database"
	"anywhere.local/demo/service"
)

func main() {
	server, err := database.New(service.Self("database"), cmp.Or(os.Getenv("FILE"), "/data/entries.db"))
	if err != nil {
		service.Fail(err)
	}
	service.Main("database", server)
}
