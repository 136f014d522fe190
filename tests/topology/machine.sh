#!/bin/sh
# machine.sh FOLDER PYTHON PACKAGES SOURCE: boots systemd on a copy of this machine that is thrown away (an overlay in
# memory), in namespaces of its own, with the units that FOLDER/etc/systemd/system holds. Only the network and the
# folder are this machine's. Needs root. FOLDER/etc is laid over /etc; PYTHON, PACKAGES and SOURCE are read there.
set -eu
folder=$1
if [ "${2:-}" != inside ]; then
    # a control group of its own, which the next namespace takes for the root of all
    exec unshare --mount --propagation private sh -eu -c '
        folder=$1 name=cherish-$$
        mkdir -p "$folder/groups"
        mount -t cgroup2 none "$folder/groups"
        mkdir "$folder/groups/$name"
        echo $$ > "$folder/groups/$name/cgroup.procs"
        exec unshare --cgroup --pid --fork --kill-child --ipc --uts sh "$0" "$folder" inside "$2" "$3" "$4"
    ' "$0" "$@"
fi
python=$3 packages=$4 source=$5
umount "$folder/groups"
mount -t tmpfs -o mode=755 none "$folder/disk"
mkdir "$folder/disk/over" "$folder/disk/work" "$folder/disk/root"
mount -t overlay -o "lowerdir=/,upperdir=$folder/disk/over,workdir=$folder/disk/work" none "$folder/disk/root"
root=$folder/disk/root
for each in tmp run dev; do mount -t tmpfs -o mode=755 none "$root/$each"; done
chmod 1777 "$root/tmp"
mkdir "$root/dev/shm" "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
mount -t tmpfs none "$root/dev/shm"
for each in null zero full random urandom tty; do touch "$root/dev/$each"; mount --bind "/dev/$each" "$root/dev/$each"; done
mount -t proc none "$root/proc"
mount -t sysfs -o ro none "$root/sys"
mount -t cgroup2 none "$root/sys/fs/cgroup"
mkdir -p "$root/opt/python" "$root/opt/packages" "$root/opt/source"
mount --bind "$python" "$root/opt/python"
mount --bind "$packages" "$root/opt/packages"
mount --bind "$source" "$root/opt/source"
rm -rf "$root/etc/systemd/system" "$root/usr/lib/tmpfiles.d" "$root/etc/tmpfiles.d" "$root/opt/cherish"
cp -a "$folder/etc/." "$root/etc/"
: > "$root/etc/machine-id"
# not chroot: units make namespaces of mounts, which starts at a root
cd "$root"
mkdir old
pivot_root . old
umount --lazy old
# a Python that was built for a home brings its library along
echo /opt/python/lib > /etc/ld.so.conf.d/0-cherish.conf
ldconfig
systemd-sysusers cherish.conf
systemd-tmpfiles --create cherish.conf
/opt/python/bin/python3 -m venv --without-pip /opt/cherish
packages=$(echo /opt/cherish/lib/python3*/site-packages)
printf '/opt/source\nimport site; site.addsitedir("/opt/packages")\n' > "$packages/cherish.pth"
printf '#!/opt/cherish/bin/python\nfrom app.cli import main\nraise SystemExit(main())\n' > /opt/cherish/bin/cherish
chmod 755 /opt/cherish/bin/cherish
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --unit=cherish.target --log-target=console
