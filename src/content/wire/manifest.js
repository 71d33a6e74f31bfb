import { decodeMessage, encodeMessage, message, streamMessage } from 'protons-runtime';
import { alloc as uint8ArrayAlloc } from 'uint8arrays/alloc';
export var ManifestMessage;
(function (ManifestMessage) {
    let _codec;
    ManifestMessage.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.sizeBytes != null && obj.sizeBytes !== 0)) {
                    w.uint32(8);
                    w.uint64Number(obj.sizeBytes);
                }
                if ((obj.pieceSizeBytes != null && obj.pieceSizeBytes !== 0)) {
                    w.uint32(16);
                    w.uint32(obj.pieceSizeBytes);
                }
                if ((obj.sha256 != null && obj.sha256.byteLength > 0)) {
                    w.uint32(26);
                    w.bytes(obj.sha256);
                }
                if ((obj.pieceHashes != null && obj.pieceHashes.byteLength > 0)) {
                    w.uint32(34);
                    w.bytes(obj.pieceHashes);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    sizeBytes: 0,
                    pieceSizeBytes: 0,
                    sha256: uint8ArrayAlloc(0),
                    pieceHashes: uint8ArrayAlloc(0)
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.sizeBytes = reader.uint64Number();
                            break;
                        }
                        case 2: {
                            obj.pieceSizeBytes = reader.uint32();
                            break;
                        }
                        case 3: {
                            obj.sha256 = reader.bytes();
                            break;
                        }
                        case 4: {
                            obj.pieceHashes = reader.bytes();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.sizeBytes`,
                                value: reader.uint64Number()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.pieceSizeBytes`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.sha256`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 4: {
                            yield {
                                field: `${prefix}.pieceHashes`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, ManifestMessage.codec());
    }
    ManifestMessage.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, ManifestMessage.codec(), opts);
    }
    ManifestMessage.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, ManifestMessage.codec(), opts);
    }
    ManifestMessage.stream = stream;
})(ManifestMessage || (ManifestMessage = {}));
