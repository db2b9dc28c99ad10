// Writes /etc/greeting to standard output. Built by:
//   aarch64-linux-gnu-as -o greet.o arm64.s && aarch64-linux-gnu-ld -N -s --build-id=none -o arm64 greet.o
    .globl _start
_start:
    mov  x8, #56             // openat(AT_FDCWD, "/etc/greeting", O_RDONLY)
    mov  x0, #-100
    adr  x1, path
    mov  x2, #0
    svc  #0
    mov  x8, #63             // read(fd, stack, 4096)
    sub  sp, sp, #4096
    mov  x1, sp
    mov  x2, #4096
    svc  #0
    cmp  x0, #0
    b.lt fail
    mov  x2, x0              // write(1, stack, n)
    mov  x0, #1
    mov  x1, sp
    mov  x8, #64
    svc  #0
    mov  x0, #0
    b    exit
fail:
    mov  x0, #1
exit:
    mov  x8, #93
    svc  #0
path:
    .asciz "/etc/greeting"
