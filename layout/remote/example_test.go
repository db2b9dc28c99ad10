package remote_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/layform/layform/layout/remote"
)

func ExampleOpen() {
	repo, err := remote.Open("registry.example.com/team/app", remote.Options{RegistryConfig: "/home/me/.docker/config.json"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer repo.Close()
	desc, err := repo.Resolve(context.Background(), "v1")
	var absent *remote.NotFoundError
	switch {
	case errors.As(err, &absent):
		fmt.Println("there is no v1")
	case err != nil:
		fmt.Println(err) // and nothing is known about v1
	default:
		fmt.Println(desc.Digest)
	}
}
