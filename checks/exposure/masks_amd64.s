//go:build !purego

#include "go_asm.h"
#include "textflag.h"

// Constants of 32 bytes, one for each lane.
DATA lowTable<>+0(SB)/8, $0x1f1f1f1f1f1f1f15
DATA lowTable<>+8(SB)/8, $0x6a0a2a0a2a1e1f1f
DATA lowTable<>+16(SB)/8, $0x1f1f1f1f1f1f1f15
DATA lowTable<>+24(SB)/8, $0x6a0a2a0a2a1e1f1f
GLOBL lowTable<>(SB), RODATA|NOPTR, $32
DATA highTable<>+0(SB)/8, $0x1008440201200000
DATA highTable<>+8(SB)/8, $0x0000000000000000
DATA highTable<>+16(SB)/8, $0x1008440201200000
DATA highTable<>+24(SB)/8, $0x0000000000000000
GLOBL highTable<>(SB), RODATA|NOPTR, $32
DATA nibbles<>+0(SB)/8, $0x0f0f0f0f0f0f0f0f
DATA nibbles<>+8(SB)/8, $0x0f0f0f0f0f0f0f0f
DATA nibbles<>+16(SB)/8, $0x0f0f0f0f0f0f0f0f
DATA nibbles<>+24(SB)/8, $0x0f0f0f0f0f0f0f0f
GLOBL nibbles<>(SB), RODATA|NOPTR, $32
DATA cases<>+0(SB)/8, $0x2020202020202020
DATA cases<>+8(SB)/8, $0x2020202020202020
DATA cases<>+16(SB)/8, $0x2020202020202020
DATA cases<>+24(SB)/8, $0x2020202020202020
GLOBL cases<>(SB), RODATA|NOPTR, $32
DATA alnum<>+0(SB)/8, $0x1f1f1f1f1f1f1f1f
DATA alnum<>+8(SB)/8, $0x1f1f1f1f1f1f1f1f
DATA alnum<>+16(SB)/8, $0x1f1f1f1f1f1f1f1f
DATA alnum<>+24(SB)/8, $0x1f1f1f1f1f1f1f1f
GLOBL alnum<>(SB), RODATA|NOPTR, $32
DATA capitals<>+0(SB)/8, $0x0707070707070707
DATA capitals<>+8(SB)/8, $0x0707070707070707
DATA capitals<>+16(SB)/8, $0x0707070707070707
DATA capitals<>+24(SB)/8, $0x0707070707070707
GLOBL capitals<>(SB), RODATA|NOPTR, $32
DATA byteAt<>+0(SB)/8, $0x4040404040404040
DATA byteAt<>+8(SB)/8, $0x4040404040404040
DATA byteAt<>+16(SB)/8, $0x4040404040404040
DATA byteAt<>+24(SB)/8, $0x4040404040404040
GLOBL byteAt<>(SB), RODATA|NOPTR, $32
DATA bytePercent<>+0(SB)/8, $0x2525252525252525
DATA bytePercent<>+8(SB)/8, $0x2525252525252525
DATA bytePercent<>+16(SB)/8, $0x2525252525252525
DATA bytePercent<>+24(SB)/8, $0x2525252525252525
GLOBL bytePercent<>(SB), RODATA|NOPTR, $32
DATA byteAmpersand<>+0(SB)/8, $0x2626262626262626
DATA byteAmpersand<>+8(SB)/8, $0x2626262626262626
DATA byteAmpersand<>+16(SB)/8, $0x2626262626262626
DATA byteAmpersand<>+24(SB)/8, $0x2626262626262626
GLOBL byteAmpersand<>(SB), RODATA|NOPTR, $32
DATA byteBackslash<>+0(SB)/8, $0x5c5c5c5c5c5c5c5c
DATA byteBackslash<>+8(SB)/8, $0x5c5c5c5c5c5c5c5c
DATA byteBackslash<>+16(SB)/8, $0x5c5c5c5c5c5c5c5c
DATA byteBackslash<>+24(SB)/8, $0x5c5c5c5c5c5c5c5c
GLOBL byteBackslash<>(SB), RODATA|NOPTR, $32
DATA bytePlus<>+0(SB)/8, $0x2b2b2b2b2b2b2b2b
DATA bytePlus<>+8(SB)/8, $0x2b2b2b2b2b2b2b2b
DATA bytePlus<>+16(SB)/8, $0x2b2b2b2b2b2b2b2b
DATA bytePlus<>+24(SB)/8, $0x2b2b2b2b2b2b2b2b
GLOBL bytePlus<>(SB), RODATA|NOPTR, $32
DATA byteFour<>+0(SB)/8, $0x3434343434343434
DATA byteFour<>+8(SB)/8, $0x3434343434343434
DATA byteFour<>+16(SB)/8, $0x3434343434343434
DATA byteFour<>+24(SB)/8, $0x3434343434343434
GLOBL byteFour<>(SB), RODATA|NOPTR, $32
DATA byteZero<>+0(SB)/8, $0x3030303030303030
DATA byteZero<>+8(SB)/8, $0x3030303030303030
DATA byteZero<>+16(SB)/8, $0x3030303030303030
DATA byteZero<>+24(SB)/8, $0x3030303030303030
GLOBL byteZero<>(SB), RODATA|NOPTR, $32
DATA byteSix<>+0(SB)/8, $0x3636363636363636
DATA byteSix<>+8(SB)/8, $0x3636363636363636
DATA byteSix<>+16(SB)/8, $0x3636363636363636
DATA byteSix<>+24(SB)/8, $0x3636363636363636
GLOBL byteSix<>(SB), RODATA|NOPTR, $32
DATA letterA<>+0(SB)/8, $0x6161616161616161
DATA letterA<>+8(SB)/8, $0x6161616161616161
DATA letterA<>+16(SB)/8, $0x6161616161616161
DATA letterA<>+24(SB)/8, $0x6161616161616161
GLOBL letterA<>(SB), RODATA|NOPTR, $32
DATA letterB<>+0(SB)/8, $0x6262626262626262
DATA letterB<>+8(SB)/8, $0x6262626262626262
DATA letterB<>+16(SB)/8, $0x6262626262626262
DATA letterB<>+24(SB)/8, $0x6262626262626262
GLOBL letterB<>(SB), RODATA|NOPTR, $32
DATA letterI<>+0(SB)/8, $0x6969696969696969
DATA letterI<>+8(SB)/8, $0x6969696969696969
DATA letterI<>+16(SB)/8, $0x6969696969696969
DATA letterI<>+24(SB)/8, $0x6969696969696969
GLOBL letterI<>(SB), RODATA|NOPTR, $32
DATA letterJ<>+0(SB)/8, $0x6a6a6a6a6a6a6a6a
DATA letterJ<>+8(SB)/8, $0x6a6a6a6a6a6a6a6a
DATA letterJ<>+16(SB)/8, $0x6a6a6a6a6a6a6a6a
DATA letterJ<>+24(SB)/8, $0x6a6a6a6a6a6a6a6a
GLOBL letterJ<>(SB), RODATA|NOPTR, $32
DATA letterO<>+0(SB)/8, $0x6f6f6f6f6f6f6f6f
DATA letterO<>+8(SB)/8, $0x6f6f6f6f6f6f6f6f
DATA letterO<>+16(SB)/8, $0x6f6f6f6f6f6f6f6f
DATA letterO<>+24(SB)/8, $0x6f6f6f6f6f6f6f6f
GLOBL letterO<>(SB), RODATA|NOPTR, $32
DATA letterR<>+0(SB)/8, $0x7272727272727272
DATA letterR<>+8(SB)/8, $0x7272727272727272
DATA letterR<>+16(SB)/8, $0x7272727272727272
DATA letterR<>+24(SB)/8, $0x7272727272727272
GLOBL letterR<>(SB), RODATA|NOPTR, $32
DATA letterT<>+0(SB)/8, $0x7474747474747474
DATA letterT<>+8(SB)/8, $0x7474747474747474
DATA letterT<>+16(SB)/8, $0x7474747474747474
DATA letterT<>+24(SB)/8, $0x7474747474747474
GLOBL letterT<>(SB), RODATA|NOPTR, $32
DATA letterZ<>+0(SB)/8, $0x7a7a7a7a7a7a7a7a
DATA letterZ<>+8(SB)/8, $0x7a7a7a7a7a7a7a7a
DATA letterZ<>+16(SB)/8, $0x7a7a7a7a7a7a7a7a
DATA letterZ<>+24(SB)/8, $0x7a7a7a7a7a7a7a7a
GLOBL letterZ<>(SB), RODATA|NOPTR, $32

// STORE writes the mask of the two halves in AX and BX.
#define STORE(class) \
	SHLQ $32, BX \
	ORQ  BX, AX \
	MOVQ AX, (class*const_maskBlocks*8)(DI)

// EQUAL writes the mask of the bytes in Y0 and Y1 that are those of a constant.
#define EQUAL(constant, class) \
	VMOVDQU   constant<>(SB), Y15 \
	VPCMPEQB  Y15, Y0, Y2 \
	VPMOVMSKB Y2, AX \
	VPCMPEQB  Y15, Y1, Y3 \
	VPMOVMSKB Y3, BX \
	STORE(class)

// CLASS writes the mask of the bytes whose classes, in Y2 and Y3, are among those in a register.
#define CLASS(of, class) \
	VPAND     of, Y2, Y15 \
	VPCMPEQB  Y14, Y15, Y15 \
	VPMOVMSKB Y15, AX \
	VPAND     of, Y3, Y15 \
	VPCMPEQB  Y14, Y15, Y15 \
	VPMOVMSKB Y15, BX \
	SHLQ      $32, BX \
	ORQ       BX, AX \
	NOTQ      AX \
	MOVQ      AX, (class*const_maskBlocks*8)(DI)

// func masksAVX2(p *byte, blocks int, out *uint64)
TEXT ·masksAVX2(SB), NOSPLIT, $0-24
	MOVQ    p+0(FP), SI
	MOVQ    blocks+8(FP), CX
	MOVQ    out+16(FP), DI
	VMOVDQU lowTable<>(SB), Y4
	VMOVDQU highTable<>(SB), Y5
	VMOVDQU nibbles<>(SB), Y6
	VMOVDQU cases<>(SB), Y7
	VPCMPEQB Y8, Y8, Y8
	VMOVDQU alnum<>(SB), Y12
	VMOVDQU capitals<>(SB), Y13
	VPXOR   Y14, Y14, Y14

loop:
	TESTQ CX, CX
	JZ    done
	VMOVDQU (SI), Y0
	VMOVDQU 32(SI), Y1

	// The top bits as they are.
	VPMOVMSKB Y0, AX
	VPMOVMSKB Y1, BX
	STORE(const_maskHigh)

	// Classes by nibbles.
	VPSRLW  $4, Y0, Y2
	VPSRLW  $4, Y1, Y3
	VPAND   Y6, Y2, Y2
	VPAND   Y6, Y3, Y3
	VPSHUFB Y2, Y5, Y2
	VPSHUFB Y3, Y5, Y3
	VPAND   Y6, Y0, Y15
	VPSHUFB Y15, Y4, Y15
	VPAND   Y15, Y2, Y2
	VPAND   Y6, Y1, Y15
	VPSHUFB Y15, Y4, Y15
	VPAND   Y15, Y3, Y3
	CLASS(Y8, const_maskBase64)
	CLASS(Y13, const_maskCapitals)
	CLASS(Y12, const_maskAlnum)

	EQUAL(byteAt, const_maskAt)
	EQUAL(bytePercent, const_maskPercent)
	EQUAL(byteAmpersand, const_maskAmpersand)
	EQUAL(byteBackslash, const_maskBackslash)
	EQUAL(bytePlus, const_maskPlus)
	EQUAL(byteFour, const_maskFour)
	EQUAL(byteZero, const_maskZero)
	EQUAL(byteSix, const_maskSix)

	// Letters without case.
	VPOR Y7, Y0, Y0
	VPOR Y7, Y1, Y1
	EQUAL(letterA, const_maskA)
	EQUAL(letterB, const_maskB)
	EQUAL(letterI, const_maskI)
	EQUAL(letterJ, const_maskJ)
	EQUAL(letterO, const_maskO)
	EQUAL(letterR, const_maskR)
	EQUAL(letterT, const_maskT)
	EQUAL(letterZ, const_maskZ)

	ADDQ $64, SI
	ADDQ $8, DI
	DECQ CX
	JMP  loop

done:
	VZEROUPPER
	RET
