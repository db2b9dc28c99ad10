package stage

// The codec of tables of contents, for fuzzing.
var (
	DecodeTOC = decodeTOC
	EncodeTOC = encodeTOC
)
