#!/bin/busybox sh
# The first process of the guest. Its root is the host's, read-only over 9p, under a layer in memory.
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
for module in /modules/*; do
  $b insmod $module
done
options=trans=virtio,version=9p2000.L,msize=1048576,ro,cache=loose
$b mount -t 9p -o $options root /lower
$b mount -t tmpfs -o size=75% layer /upper
$b mkdir /upper/upper /upper/work
$b mount -t overlay -o lowerdir=/lower,upperdir=/upper/upper,workdir=/upper/work layer /root

# The kernel looks for modprobe here, in its first root.
$b mkdir -p /lib/modules
$b mount -t 9p -o $options modules /lib/modules
$b ln -s busybox /bin/modprobe
echo /bin/modprobe >/proc/sys/kernel/modprobe

$b mount -t proc proc /root/proc
$b mount -t sysfs sys /root/sys
$b mount -t devtmpfs dev /root/dev
$b mkdir -p /root/dev/pts /root/dev/shm
$b mount -t devpts devpts /root/dev/pts
$b mount -t tmpfs shm /root/dev/shm
$b mount -t tmpfs run /root/run
$b hostname guest
$b ip link set lo up

port() {
  for directory in /sys/class/virtio-ports/*; do
    if [ "$($b cat $directory/name)" = $1 ]; then echo /dev/${directory##*/}; fi
  done
}
output=$(port output)
$b cat >/root/run/command <<'COMMAND'
@COMMAND@
COMMAND
$b chroot /root /bin/bash /run/command </root/dev/null >/root$output 2>&1
echo $? >/root$(port status)
$b poweroff -f
