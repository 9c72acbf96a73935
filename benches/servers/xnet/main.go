// Serves a folder by golang.org/x/net/webdav, on which rclone, hacdias/webdav and caddy-webdav
// are built, with its own locks in memory: xnet FOLDER ADDRESS
package main

import (
	"log"
	"net/http"
	"os"

	"golang.org/x/net/webdav"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: xnet FOLDER ADDRESS")
	}
	handler := &webdav.Handler{
		FileSystem: webdav.Dir(os.Args[1]),
		LockSystem: webdav.NewMemLS(),
	}
	log.Fatal(http.ListenAndServe(os.Args[2], handler))
}
