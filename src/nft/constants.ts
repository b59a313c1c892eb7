/** Constants of include/uapi/linux/netfilter.h and netfilter/nf_tables.h, in the kernel's spelling. */

export const NFPROTO_INET = 1
export const NFPROTO_IPV4 = 2
export const NFPROTO_IPV6 = 10

export const NFNL_SUBSYS_NFTABLES = 10
export const NFNL_MSG_BATCH_BEGIN = 0x10
export const NFNL_MSG_BATCH_END = 0x11

/** enum nf_tables_msg_types */
export const NFT_MSG = {
  NEWTABLE: 0,
  GETTABLE: 1,
  DELTABLE: 2,
  NEWCHAIN: 3,
  GETCHAIN: 4,
  DELCHAIN: 5,
  NEWRULE: 6,
  GETRULE: 7,
  DELRULE: 8,
  NEWSET: 9,
  GETSET: 10,
  DELSET: 11,
  NEWSETELEM: 12,
  GETSETELEM: 13,
  DELSETELEM: 14,
  NEWGEN: 15,
  GETGEN: 16,
  NEWFLOWTABLE: 22,
  GETFLOWTABLE: 23,
  DELFLOWTABLE: 24,
  /** DESTROY is DELETE without an error when the object is not there; since Linux 6.3. */
  DESTROYTABLE: 26,
  DESTROYCHAIN: 27,
  DESTROYRULE: 28,
  DESTROYSET: 29,
  DESTROYSETELEM: 30,
  DESTROYFLOWTABLE: 32,
} as const

/** enum nf_inet_hooks, and the ingress hook of the netdev family that a flowtable uses. */
export const NF_INET_PRE_ROUTING = 0
export const NF_INET_LOCAL_IN = 1
export const NF_INET_FORWARD = 2
export const NF_INET_LOCAL_OUT = 3
export const NF_INET_POST_ROUTING = 4

/** enum nft_verdicts, and the verdicts of linux/netfilter.h that nf_tables shares. */
export const NF_DROP = 0
export const NF_ACCEPT = 1
export const NFT_CONTINUE = -1
export const NFT_JUMP = -3
export const NFT_GOTO = -4
export const NFT_RETURN = -5

/** enum nft_set_flags */
export const NFT_SET_CONSTANT = 0x2
export const NFT_SET_INTERVAL = 0x4
export const NFT_SET_MAP = 0x8
export const NFT_SET_TIMEOUT = 0x10
export const NFT_SET_EVAL = 0x20
/** Intervals of concatenations; the kernel wants it exactly where NFTA_SET_DESC_CONCAT is given. */
export const NFT_SET_CONCAT = 0x80

/** NFTA_SET_DATA_TYPE of a verdict map: not one of nft's data types but a marker of the kernel. */
export const NFT_DATA_VERDICT = 0xffffff00

/** enum nft_set_elem_flags */
export const NFT_SET_ELEM_INTERVAL_END = 0x1
export const NFT_SET_ELEM_CATCHALL = 0x2

/** enum nft_payload_bases */
export const NFT_PAYLOAD_NETWORK_HEADER = 1
export const NFT_PAYLOAD_TRANSPORT_HEADER = 2

/** enum nft_lookup_flags */
export const NFT_LOOKUP_F_INV = 0x1

/** enum nft_cmp_ops */
export const NFT_CMP_EQ = 0
export const NFT_CMP_NEQ = 1
export const NFT_CMP_LT = 2
export const NFT_CMP_LTE = 3
export const NFT_CMP_GT = 4
export const NFT_CMP_GTE = 5

/** enum nft_meta_keys */
export const NFT_META_MARK = 3
export const NFT_META_IIFNAME = 6
export const NFT_META_OIFNAME = 7
export const NFT_META_NFPROTO = 15
export const NFT_META_L4PROTO = 16

/** enum nft_ct_keys */
export const NFT_CT_STATE = 0
export const NFT_CT_DIRECTION = 1
export const NFT_CT_STATUS = 2
export const NFT_CT_MARK = 3
export const NFT_CT_PROTO_SRC = 11
export const NFT_CT_PROTO_DST = 12
export const NFT_CT_LABELS = 13
export const NFT_CT_PKTS = 14
export const NFT_CT_BYTES = 15
export const NFT_CT_SRC_IP = 19
export const NFT_CT_DST_IP = 20
export const NFT_CT_SRC_IP6 = 21
export const NFT_CT_DST_IP6 = 22

/** enum nft_ng_types */
export const NFT_NG_RANDOM = 1

/** enum nft_nat_types */
export const NFT_NAT_SNAT = 0
export const NFT_NAT_DNAT = 1

/** NF_NAT_RANGE_*, include/uapi/linux/netfilter/nf_nat.h */
export const NF_NAT_RANGE_PROTO_RANDOM = 0x4
export const NF_NAT_RANGE_PERSISTENT = 0x8
export const NF_NAT_RANGE_PROTO_RANDOM_FULLY = 0x10

/** enum nft_reject_types, and the codes for "port unreachable" of ICMP and ICMPv6. */
export const NFT_REJECT_ICMP_UNREACH = 0
export const NFT_REJECT_TCP_RST = 1
export const ICMP_PORT_UNREACH = 3
export const ICMPV6_PORT_UNREACH = 4

/** enum nft_byteorder_ops */
export const NFT_BYTEORDER_HTON = 1

/** enum nft_hash_types */
export const NFT_HASH_SYM = 1

/** NFTA_FIB_*: enum nft_fib_result and nft_fib_flags. */
export const NFT_FIB_RESULT_ADDRTYPE = 3
export const NFTA_FIB_F_SADDR = 0x1
export const NFTA_FIB_F_DADDR = 0x2

/** enum nft_dynset_ops */
export const NFT_DYNSET_OP_ADD = 0
export const NFT_DYNSET_OP_UPDATE = 1
export const NFT_DYNSET_OP_DELETE = 2

/** Longest comment in bytes that nft itself writes, without the final zero (NFTNL_UDATA_COMMENT_MAXLEN is 128 with it). */
export const commentMaxBytes = 127
