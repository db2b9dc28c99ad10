package imagespec

import (
	"errors"
	"fmt"
	"strings"
)

// CheckVariable checks an environment variable of a config, NAME=VALUE.
func CheckVariable(s string) error {
	name, value, ok := strings.Cut(s, "=")
	switch {
	case !ok:
		return errors.New("is not NAME=VALUE")
	case name == "":
		return errors.New("has no name before =")
	case strings.ContainsRune(name, 0) || strings.ContainsRune(value, 0):
		return errors.New("has a NUL character, which no variable can have")
	}
	return nil
}

// maxPort is the highest number of a port.
const maxPort = 65535

// CheckPort checks a key of ExposedPorts: a number from 1 to 65535, with /tcp or
// /udp after it or nothing, which means tcp. The image spec has no other protocol.
func CheckPort(s string) error {
	number, protocol, given := strings.Cut(s, "/")
	n := 0
	for i := range len(number) {
		if number[i] < '0' || number[i] > '9' || i == 5 {
			n = 0
			break
		}
		n = n*10 + int(number[i]-'0')
	}
	switch {
	case n < 1 || n > maxPort:
		return fmt.Errorf("does not begin with the number of a port, from 1 to %d", maxPort)
	case given && protocol != "tcp" && protocol != "udp":
		return errors.New("has another protocol than /tcp and /udp, the only ones that the image spec has")
	}
	return nil
}

// NormalPort is a key of ExposedPorts in the one form of those that mean the same: 80/tcp
// of 80. What is no port stays as it is. It serves comparison: what is written keeps its
// form.
func NormalPort(s string) string {
	if CheckPort(s) != nil {
		return s
	}
	number, protocol, _ := strings.Cut(s, "/")
	if protocol == "" {
		protocol = "tcp"
	}
	return strings.TrimLeft(number, "0") + "/" + protocol
}
