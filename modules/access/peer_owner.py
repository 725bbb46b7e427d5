"""Which user of this machine a TCP connection comes from, as the Linux kernel tells.

It is asked for the one socket (sock_diag(7), some 20 µs), and where that is not to be had the whole
table is read (`/proc/net/tcp`, milliseconds where there are thousands of sockets).
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

from dskity.bus.base.addresses import IpAddress, ip_address

Address: TypeAlias = tuple[str, int]
"""A host's IP address and a TCP port."""

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_LOCAL, _REMOTE, _UID, _INODE = 1, 2, 7, 9  # columns of these (proc_net_tcp.txt of the kernel)

_BY_FAMILY = 20  # SOCK_DIAG_BY_FAMILY; another type is an error
_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr
_REQUEST = struct.Struct("=BBBxI")  # struct inet_diag_req_v2, up to the socket
_ENDS = struct.Struct("!HH16s16s")  # struct inet_diag_sockid, up to the interface
_ANY = struct.pack("=III", 0, 0xFFFF_FFFF, 0xFFFF_FFFF)  # interface, and no cookie
_OWNER = struct.Struct("=II")  # struct inet_diag_msg: uid and inode, at its end
_OWNER_AT = _HEADER.size + 4 + _ENDS.size + len(_ANY) + 12
_LISTENS = 10  # TCP_LISTEN
_NOBODY = -1


class Unknown(LookupError):
    """There is no such socket, its process has closed it, or it is of another network namespace."""


def owner_of(peer: Address, local: Address) -> int:
    """The user id of the socket at `peer` that is connected to `local`; `Unknown` where it has
    none. A socket without a process counts as root's in the kernel's tables, and as having no owner
    here."""
    ends = _ip(peer[0]), peer[1], _ip(local[0]), local[1]
    try:
        return _asked(*ends)
    except OSError:
        found = set(_listed(peer[1], ends[0], local[1]))
    if len(found) != 1 or _NOBODY in found:
        raise Unknown(f"{peer[0]} port {peer[1]}")
    return found.pop()


def _ip(host: str) -> IpAddress:
    address = ip_address(host)
    if address is None:
        raise Unknown(host)
    return address


def _asked(source: IpAddress, source_port: int, target: IpAddress, target_port: int) -> int:
    """What sock_diag says; `OSError` where it says nothing of such a socket."""
    family = socket.AF_INET if source.version == 4 else socket.AF_INET6  # noqa: PLR2004  # of IP
    ends = _ENDS.pack(source_port, target_port, _padded(source), _padded(target))
    body = _REQUEST.pack(family, socket.IPPROTO_TCP, 0, 0xFFFF_FFFF) + ends + _ANY
    header = _HEADER.pack(_HEADER.size + len(body), _BY_FAMILY, 1, 0, 0)  # NLM_F_REQUEST
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4) as kernel:  # NETLINK_SOCK_DIAG
        kernel.setblocking(False)  # it has answered when it has taken the question
        kernel.sendto(header + body, (0, 0))
        answer = kernel.recv(4096)
    if _HEADER.unpack_from(answer)[1] != _BY_FAMILY or answer[_HEADER.size + 1] == _LISTENS:
        raise OSError("there is no such connection")
    uid, inode = _OWNER.unpack_from(answer, _OWNER_AT)
    if not inode:
        raise Unknown(f"{source} port {source_port}")
    return int(uid)


def _padded(address: IpAddress) -> bytes:
    return address.packed.ljust(16, b"\0")


def _listed(source_port: int, source: IpAddress, target_port: int) -> Iterator[int]:
    """The users of all sockets at this end that are connected to a port here."""
    ends = {f"{host}:{source_port:04X}".encode() for host in _written(source)}
    port = f":{target_port:04X}".encode()
    for table in _TABLES:
        try:
            rows = table.read_bytes().splitlines()
        except OSError:
            continue
        for row in rows:
            columns = row.split(None, _INODE + 1)
            if columns[_LOCAL] in ends and columns[_REMOTE].endswith(port):
                yield int(columns[_UID]) if columns[_INODE] != b"0" else _NOBODY


def _written(address: IpAddress) -> tuple[str, ...]:
    """An address as the tables have it: words of 32 bits in the machine's byte order; an IPv4
    address may stand in either."""
    if address.version == 4:  # noqa: PLR2004  # of the protocol
        return _words(address.packed), _words(b"\0" * 10 + b"\xff\xff" + address.packed)
    return (_words(address.packed),)


def _words(packed: bytes) -> str:
    return "".join(f"{word:08X}" for word in struct.unpack(f"={len(packed) // 4}I", packed))
