# First process of a sandbox: make its root, say that it is ready, run its command, and end with it.
# usage: init.sh FOLDER READY_DESCRIPTOR TOOLS [SOURCE=TARGET]... -- COMMAND...
set -e
folder=$1 ready=$2 tools=$3
shift 3
# what the sandbox writes lives in memory and goes with it
mount -t tmpfs -o mode=755 tmpfs "$folder"
mkdir "$folder"/{upper,work,root}
mount -t overlay -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" overlay "$folder/root"
cd "$folder/root"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
    : > "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done
mkdir -m 755 dev/pts
mkdir -m 1777 dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s fd/0 dev/stdin
ln -s fd/1 dev/stdout
ln -s fd/2 dev/stderr
mkdir -p __modal/.bin
install -m 755 "$tools" __modal/.bin/modal-sandbox-fs-tools
while [ "$1" != -- ]; do
    mkdir -p "./${1#*=}"
    mount --bind "${1%%=*}" "./${1#*=}"
    shift
done
shift
mount -t tmpfs -o mode=1777 tmpfs tmp
if [ -n "$SERVER_GPU" ]; then # what stands for the driver
    mkdir -p usr/local/bin
    printf '#!/bin/sh\necho "NVIDIA %s, 550.54, 1980 MHz, 35"\n' "${SERVER_GPU%:*}" > usr/local/bin/nvidia-smi
    chmod 755 usr/local/bin/nvidia-smi
fi
unset SERVER_GPU
chmod 711 root # what is installed there is for everybody, as in an image
mkdir -p mnt
pivot_root . mnt
cd /
umount -l /mnt
hostname modal
if command -v ip > /dev/null; then ip link set lo up; fi
echo ready >&"$ready"
eval "exec $ready>&-"
"$@" <&0 &
wait $!
