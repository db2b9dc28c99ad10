# Writes /etc/greeting to standard output. Built by:
#   as -o greet.o amd64.s && ld -N -s --build-id=none -z noseparate-code -o amd64 greet.o
    .globl _start
_start:
    mov  $2, %eax            # open("/etc/greeting", O_RDONLY)
    lea  path(%rip), %rdi
    xor  %esi, %esi
    syscall
    mov  %eax, %edi
    xor  %eax, %eax          # read(fd, stack, 4096)
    sub  $4096, %rsp
    mov  %rsp, %rsi
    mov  $4096, %edx
    syscall
    test %rax, %rax
    js   fail
    mov  %rax, %rdx          # write(1, stack, n)
    mov  $1, %edi
    mov  $1, %eax
    syscall
    xor  %edi, %edi
    jmp  exit
fail:
    mov  $1, %edi
exit:
    mov  $60, %eax
    syscall
path:
    .asciz "/etc/greeting"
