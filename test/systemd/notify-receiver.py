"""The other end of NOTIFY_SOCKET: prints each datagram as one JSON line. Node has no Unix datagram sockets."""
import array, json, os, socket, sys

server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
server.bind(sys.argv[1])
print(json.dumps({"listening": True}), flush=True)
while True:
    message, ancillary, _, _ = server.recvmsg(65536, socket.CMSG_SPACE(16 * 4))
    # systemd-notify sends a pipe along (BARRIER=1) and waits until it is closed.
    for level, kind, payload in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            for fd in array.array("i", payload[: len(payload) - len(payload) % 4]):
                os.close(fd)
    print(json.dumps({"message": message.decode()}), flush=True)
