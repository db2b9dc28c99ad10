// Package ref holds references: what a user writes to name an image, in a layout
// directory, in an archive, or in a repository of a registry.
//
//	oci:DIR[:NAME][@DIGEST]            a layout directory
//	oci-archive:FILE[:NAME][@DIGEST]   a layout in a tar
//	docker-archive:FILE[:NAME]         what docker save writes
//	docker://HOST/REPOSITORY[:TAG][@DIGEST]
//
// NAME is a ref name of index.json, org.opencontainers.image.ref.name, and may
// itself be a whole image name (registry.example.com/team/app:v1): the path ends
// at the first colon. A colon that belongs to a path is written %3A; Locate also
// finds such paths on disk as they are. Where only a layout can be meant, a plain
// path is enough: see ParseLayout.
//
// Parse and String are inverse to each other: for every reference r that Parse
// returns, Parse(r.String()) is r. References and images are comparable values.
// Parsing does no I/O; Locate, LocateLayout, LocateImage and FindLayout look
// at the disk.
package ref
