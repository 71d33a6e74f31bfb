"""One seeder and one leecher of libtorrent on loopback, without discovery: libtorrent-link.py FILE OUT_DIR
Prints the seconds from the leecher's start to the last verified piece, and the leecher's CPU seconds."""
import json, os, resource, sys, time
import libtorrent as lt

source, out = sys.argv[1], sys.argv[2]
settings = {
    "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
    "enable_outgoing_utp": False, "enable_incoming_utp": False, "allow_multiple_connections_per_ip": True,
    "unchoke_slots_limit": -1, "max_out_request_queue": 2000, "request_queue_time": 3,
    "listen_interfaces": "127.0.0.1:0",
}

files = lt.file_storage()
lt.add_files(files, source)
torrent = lt.create_torrent(files, piece_size=1 << 20, flags=lt.create_torrent.v1_only)
lt.set_piece_hashes(torrent, os.path.dirname(source))
info = lt.torrent_info(lt.bdecode(lt.bencode(torrent.generate())))

read_end, write_end = os.pipe()
if os.fork() == 0:
    session = lt.session(settings)
    session.add_torrent({"ti": info, "save_path": os.path.dirname(source), "flags": lt.torrent_flags.seed_mode})
    while session.listen_port() == 0:
        time.sleep(0.05)
    os.write(write_end, b"%d\n" % session.listen_port())
    while os.getppid() != 1:
        time.sleep(0.2)
    os._exit(0)

port = int(os.read(read_end, 16))
session = lt.session(settings)
begin, cpu = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF)
handle = session.add_torrent({"ti": info, "save_path": out})
handle.connect_peer(("127.0.0.1", port))
while not handle.status().is_seeding:
    time.sleep(0.01)
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"seconds": time.monotonic() - begin, "cpuSeconds": used.ru_utime + used.ru_stime - cpu.ru_utime - cpu.ru_stime}))
sys.stdout.flush()
os._exit(0)
