// Package tarcheck tells of the tars of layers what package archive/tar does
// not: which names lead out of the tree or are longer than Linux takes, what
// stands above a path, and where two readers of one header see different sizes.
package tarcheck
