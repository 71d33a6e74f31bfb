import { decodeMessage, encodeMessage, message, streamMessage } from 'protons-runtime';
import { alloc as uint8ArrayAlloc } from 'uint8arrays/alloc';
export var HeadMessage;
(function (HeadMessage) {
    let _codec;
    HeadMessage.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.peerId != null && obj.peerId.byteLength > 0)) {
                    w.uint32(10);
                    w.bytes(obj.peerId);
                }
                if ((obj.seq != null && obj.seq !== 0)) {
                    w.uint32(16);
                    w.uint64Number(obj.seq);
                }
                if ((obj.beat != null && obj.beat !== 0)) {
                    w.uint32(24);
                    w.uint64Number(obj.beat);
                }
                if ((obj.recordHash != null && obj.recordHash.byteLength > 0)) {
                    w.uint32(34);
                    w.bytes(obj.recordHash);
                }
                if ((obj.freeBytes != null && obj.freeBytes !== 0)) {
                    w.uint32(40);
                    w.uint64Number(obj.freeBytes);
                }
                if ((obj.issuedAt != null && obj.issuedAt !== 0)) {
                    w.uint32(48);
                    w.uint64Number(obj.issuedAt);
                }
                if (obj.totalBytes != null) {
                    w.uint32(56);
                    w.uint64Number(obj.totalBytes);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    peerId: uint8ArrayAlloc(0),
                    seq: 0,
                    beat: 0,
                    recordHash: uint8ArrayAlloc(0),
                    freeBytes: 0,
                    issuedAt: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.peerId = reader.bytes();
                            break;
                        }
                        case 2: {
                            obj.seq = reader.uint64Number();
                            break;
                        }
                        case 3: {
                            obj.beat = reader.uint64Number();
                            break;
                        }
                        case 4: {
                            obj.recordHash = reader.bytes();
                            break;
                        }
                        case 5: {
                            obj.freeBytes = reader.uint64Number();
                            break;
                        }
                        case 6: {
                            obj.issuedAt = reader.uint64Number();
                            break;
                        }
                        case 7: {
                            obj.totalBytes = reader.uint64Number();
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
                                field: `${prefix}.peerId`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.seq`,
                                value: reader.uint64Number()
                            };
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.beat`,
                                value: reader.uint64Number()
                            };
                            break;
                        }
                        case 4: {
                            yield {
                                field: `${prefix}.recordHash`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 5: {
                            yield {
                                field: `${prefix}.freeBytes`,
                                value: reader.uint64Number()
                            };
                            break;
                        }
                        case 6: {
                            yield {
                                field: `${prefix}.issuedAt`,
                                value: reader.uint64Number()
                            };
                            break;
                        }
                        case 7: {
                            yield {
                                field: `${prefix}.totalBytes`,
                                value: reader.uint64Number()
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
        return encodeMessage(obj, HeadMessage.codec());
    }
    HeadMessage.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, HeadMessage.codec(), opts);
    }
    HeadMessage.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, HeadMessage.codec(), opts);
    }
    HeadMessage.stream = stream;
})(HeadMessage || (HeadMessage = {}));
export var SignedHeadMessage;
(function (SignedHeadMessage) {
    let _codec;
    SignedHeadMessage.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.head != null && obj.head.byteLength > 0)) {
                    w.uint32(10);
                    w.bytes(obj.head);
                }
                if ((obj.signature != null && obj.signature.byteLength > 0)) {
                    w.uint32(18);
                    w.bytes(obj.signature);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    head: uint8ArrayAlloc(0),
                    signature: uint8ArrayAlloc(0)
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.head = reader.bytes();
                            break;
                        }
                        case 2: {
                            obj.signature = reader.bytes();
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
                                field: `${prefix}.head`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.signature`,
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
        return encodeMessage(obj, SignedHeadMessage.codec());
    }
    SignedHeadMessage.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, SignedHeadMessage.codec(), opts);
    }
    SignedHeadMessage.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, SignedHeadMessage.codec(), opts);
    }
    SignedHeadMessage.stream = stream;
})(SignedHeadMessage || (SignedHeadMessage = {}));
