package stage

import "encoding/binary"

// The codec of tables of contents, for fuzzing.
var (
	DecodeTOC = decodeTOC
	EncodeTOC = encodeTOC
)

// SealTOC makes records, whatever they are, the bytes of an undamaged file.
func SealTOC(records []byte) []byte {
	head := binary.LittleEndian.AppendUint32([]byte(tocMagic), checksum(records))
	return append(head, records...)
}

// TOCHead is the length of what SealTOC puts in front.
const TOCHead = len(tocMagic) + 4
