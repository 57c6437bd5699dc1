// What topology/nvml.hpp declares is what NVML's own header has, where there is one.
#include <peerfold/topology/nvml.hpp>

#include <support/catch.hpp>
#include <support/skip.hpp>

#if __has_include(<nvml.h>)
#define NVML_NO_UNVERSIONED_FUNC_DEFS
#include <nvml.h>

#include <cstddef>
#include <type_traits>

namespace ours = peerfold::topology::nvml;

namespace {

static_assert(ours::success == NVML_SUCCESS);
static_assert(ours::error_invalid_argument == NVML_ERROR_INVALID_ARGUMENT);
static_assert(ours::error_not_supported == NVML_ERROR_NOT_SUPPORTED);
static_assert(ours::error_not_found == NVML_ERROR_NOT_FOUND);
static_assert(ours::max_links >= NVML_NVLINK_MAX_LINKS);
static_assert(ours::feature_enabled == NVML_FEATURE_ENABLED);
static_assert(ours::device_type_gpu == NVML_NVLINK_DEVICE_TYPE_GPU);
static_assert(ours::device_type_cpu == NVML_NVLINK_DEVICE_TYPE_IBMNPU);
static_assert(ours::device_type_switch == NVML_NVLINK_DEVICE_TYPE_SWITCH);
static_assert(ours::device_type_unknown == NVML_NVLINK_DEVICE_TYPE_UNKNOWN);
static_assert(ours::topology_internal == NVML_TOPOLOGY_INTERNAL);
static_assert(ours::topology_single == NVML_TOPOLOGY_SINGLE);
static_assert(ours::topology_multiple == NVML_TOPOLOGY_MULTIPLE);
static_assert(ours::topology_host_bridge == NVML_TOPOLOGY_HOSTBRIDGE);
static_assert(ours::topology_node == NVML_TOPOLOGY_NODE);
static_assert(ours::topology_system == NVML_TOPOLOGY_SYSTEM);
static_assert(ours::p2p_read == NVML_P2P_CAPS_INDEX_READ);
static_assert(ours::p2p_write == NVML_P2P_CAPS_INDEX_WRITE);
static_assert(ours::p2p_nvlink == NVML_P2P_CAPS_INDEX_NVLINK);
static_assert(ours::p2p_atomics == NVML_P2P_CAPS_INDEX_ATOMICS);
static_assert(ours::p2p_status_ok == NVML_P2P_STATUS_OK);
static_assert(ours::p2p_status_unknown == NVML_P2P_STATUS_UNKNOWN);
static_assert(ours::value_unsigned == NVML_VALUE_TYPE_UNSIGNED_INT);
static_assert(ours::value_unsigned_long == NVML_VALUE_TYPE_UNSIGNED_LONG);
static_assert(ours::value_unsigned_long_long == NVML_VALUE_TYPE_UNSIGNED_LONG_LONG);
static_assert(ours::field_speed_common == NVML_FI_DEV_NVLINK_SPEED_MBPS_COMMON);
static_assert(ours::scope_node == NVML_AFFINITY_SCOPE_NODE);

static_assert(sizeof(nvmlReturn_t) == sizeof(int));
static_assert(sizeof(nvmlDevice_t) == sizeof(ours::device));

static_assert(sizeof(ours::pci_info) == sizeof(nvmlPciInfo_t));
static_assert(offsetof(ours::pci_info, domain) == offsetof(nvmlPciInfo_t, domain));
static_assert(offsetof(ours::pci_info, device) == offsetof(nvmlPciInfo_t, device));
static_assert(offsetof(ours::pci_info, bus_id) == offsetof(nvmlPciInfo_t, busId));

static_assert(sizeof(ours::field_value) == sizeof(nvmlFieldValue_t));
static_assert(offsetof(ours::field_value, scope_id) == offsetof(nvmlFieldValue_t, scopeId));
static_assert(offsetof(ours::field_value, value_type) == offsetof(nvmlFieldValue_t, valueType));
static_assert(offsetof(ours::field_value, result) == offsetof(nvmlFieldValue_t, nvmlReturn));
static_assert(offsetof(ours::field_value, value) == offsetof(nvmlFieldValue_t, value));

// What came with later toolkits.
#if defined(NVML_FI_DEV_NVLINK_GET_SPEED)
static_assert(ours::field_speed == NVML_FI_DEV_NVLINK_GET_SPEED);
#endif
#if defined(NVML_GPU_FABRIC_STATE_COMPLETED)
static_assert(ours::fabric_not_started == NVML_GPU_FABRIC_STATE_NOT_STARTED);
static_assert(ours::fabric_in_progress == NVML_GPU_FABRIC_STATE_IN_PROGRESS);
static_assert(ours::fabric_completed == NVML_GPU_FABRIC_STATE_COMPLETED);
static_assert(sizeof(ours::fabric_info) == sizeof(nvmlGpuFabricInfo_t));
static_assert(offsetof(ours::fabric_info, status) == offsetof(nvmlGpuFabricInfo_t, status));
static_assert(offsetof(ours::fabric_info, state) == offsetof(nvmlGpuFabricInfo_t, state));
#endif
#if defined(nvmlGpuFabricInfo_v2)
static_assert(ours::fabric_info_v2 == nvmlGpuFabricInfo_v2);
static_assert(offsetof(ours::fabric_info_v, health) ==
              offsetof(nvmlGpuFabricInfo_v2_t, healthMask));
#endif
#if defined(nvmlGpuFabricInfo_v3)
static_assert(ours::fabric_info_v3 == nvmlGpuFabricInfo_v3);
static_assert(sizeof(ours::fabric_info_v) == sizeof(nvmlGpuFabricInfo_v3_t));
static_assert(offsetof(ours::fabric_info_v, clique) == offsetof(nvmlGpuFabricInfo_v3_t, cliqueId));
static_assert(offsetof(ours::fabric_info_v, state) == offsetof(nvmlGpuFabricInfo_v3_t, state));
static_assert(offsetof(ours::fabric_info_v, summary) ==
              offsetof(nvmlGpuFabricInfo_v3_t, healthSummary));
#endif

}  // namespace

#if defined(NVML_GPU_FABRIC_HEALTH_TEST) && defined(nvmlGpuFabricInfo_v3)
TEST_CASE("what a fabric's health says") {
  for (unsigned health = 0; health < 1u << 14; ++health) {
    const unsigned configuration = NVML_GPU_FABRIC_HEALTH_GET(health, _INCORRECT_CONFIGURATION);
    if (ours::is_degraded(health) != NVML_GPU_FABRIC_HEALTH_TEST(health, _DEGRADED_BW, _TRUE) ||
        ours::is_unhealthy(health) !=
            NVML_GPU_FABRIC_HEALTH_TEST(health, _ROUTE_UNHEALTHY, _TRUE) ||
        ours::is_misconfigured(health) !=
            (configuration > NVML_GPU_FABRIC_HEALTH_MASK_INCORRECT_CONFIGURATION_NONE)) {
      FAIL(health);
    }
  }
}
#endif
TEST_CASE("constants and structs are NVML's") { SUCCEED("as it compiled"); }

#else

TEST_CASE("constants and structs are NVML's") {
  peerfold::test::skip_program("there is no nvml.h to compare with");
}

#endif
